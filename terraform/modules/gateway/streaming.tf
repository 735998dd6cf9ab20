# A gateway that streams (Preview): the provider has no field for it, so gcloud makes it, and takes it away again. Once the provider
# has the field, this file becomes a `google_api_gateway_gateway`, imported by its id.

resource "terraform_data" "streaming_gateway" {
  count = local.streaming
  input = {
    gateway = "${var.name}-streaming"
    project = var.project_id
    region  = var.region
    api     = google_api_gateway_api.this.api_id
    config  = google_api_gateway_api_config.this.api_config_id
  }
  # Another config alone does not replace the gateway: its address goes on serving.
  triggers_replace = [var.name, var.project_id, var.region]

  provisioner "local-exec" {
    command = "gcloud alpha api-gateway gateways create ${self.input.gateway} --project=${self.input.project} --location=${self.input.region} --api=${self.input.api} --api-config=${self.input.config} --enable-streaming --quiet"
  }

  provisioner "local-exec" {
    when    = destroy
    command = "gcloud api-gateway gateways delete ${self.input.gateway} --project=${self.input.project} --location=${self.input.region} --quiet"
  }
}

resource "terraform_data" "streaming_gateway_config" {
  count            = local.streaming
  input            = terraform_data.streaming_gateway[0].output
  triggers_replace = [google_api_gateway_api_config.this.api_config_id]

  provisioner "local-exec" {
    command = "gcloud api-gateway gateways update ${self.input.gateway} --project=${self.input.project} --location=${self.input.region} --api=${self.input.api} --api-config=${self.input.config} --quiet"
  }
}
