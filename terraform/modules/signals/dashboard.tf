# The dashboard, from top to bottom as one looks: does it work, how fast, who uses it, what does it cost, what is the platform doing.

locals {
  sections = [
    {
      title = "Requests"
      charts = [
        { title = "Requests a minute by status", area = true, queries = { "" = "sum by (status) (${local.rates.requests})" } },
        { title = "Errors a minute by code", area = true, queries = { "" = "sum by (code) (${local.rates.errors})" } },
        { title = "429 a minute by caller and code", area = true, queries = { "" = "sum by (caller, code) (rate(${local.ours.errors}{${local.from},status=\"429\"}[5m]) * 60)" } },
      ]
    },
    {
      title = "Speed"
      charts = [
        { title = "Time to first chunk (s)", area = false, queries = { for q in ["0.5", "0.95"] : "p${tonumber(q) * 100}" => "histogram_quantile(${q}, sum by (le) (rate(${local.ours.time_to_first_chunk}_bucket{${local.from}}[5m])))" } },
        { title = "Time to first chunk, p95 by model (s)", area = false, queries = { "" = "histogram_quantile(0.95, sum by (le, model) (rate(${local.ours.time_to_first_chunk}_bucket{${local.from}}[5m])))" } },
        { title = "Duration (s)", area = false, queries = { for q in ["0.5", "0.95"] : "p${tonumber(q) * 100}" => "histogram_quantile(${q}, sum by (le) (rate(${local.ours.duration}_bucket{${local.from}}[5m])))" } },
      ]
    },
    {
      title = "Use"
      charts = [
        { title = "Tokens a minute by model", area = true, queries = { for way in ["input", "output"] : way => "sum by (model) (${local.sums["${way}_tokens"]})" } },
        { title = "Tokens a minute by caller", area = true, queries = { for way in ["input", "output"] : way => "sum by (caller) (${local.sums["${way}_tokens"]})" } },
        { title = "Requests a minute by caller", area = true, queries = { "" = "sum by (caller) (${local.rates.requests})" } },
      ]
    },
    {
      title = "What it costs"
      charts = [
        { title = "Tokens a minute by price", area = false, queries = { for kind in ["input", "cached", "output", "reasoning"] : kind => "sum(${local.sums["${kind}_tokens"]})" } },
        { title = "Tokens an hour by model, input and output", area = true, queries = { for way in ["input", "output"] : way => "sum by (model) (increase(${local.ours["${way}_tokens"]}_sum{${local.from}}[1h]))" } },
        { title = "Billed seconds of instances a minute", area = true, queries = { "" = "sum by (service_name) (rate(run_googleapis_com:container_billable_instance_time{${local.platform}}[5m]) * 60)" } },
        { title = "Answers a minute from our cache", area = true, queries = { "" = "sum by (cache) (rate(${local.ours.requests}{${local.from},cache=~\"hit|miss\"}[5m]) * 60)" } },
      ]
    },
    {
      title = "Instances"
      charts = [
        { title = "Instances (at most ${var.max_instances} of each function)", area = true, queries = { "" = "sum by (service_name, state) (run_googleapis_com:container_instance_count{${local.platform}})" } },
        { title = "Requests at once in an instance, p95", area = false, queries = { "" = "histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:container_max_request_concurrencies_bucket{${local.platform}}[5m])))" } },
        { title = "Memory in use, p95", area = false, queries = { "" = "histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:container_memory_utilizations_bucket{${local.platform}}[5m])))" } },
        { title = "Start of an instance, p95 (ms)", area = false, queries = { "" = "histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:container_startup_latencies_bucket{${local.platform}}[5m])))" } },
      ]
    },
    {
      title = "Trouble"
      charts = [
        { title = "Requests a minute with more than one attempt", area = true, queries = { "" = "sum by (backend, upstream_location) (${local.rates.retries})" } },
        { title = "Requests a minute with something downgraded", area = true, queries = { "" = "sum by (backend) (${local.rates.downgrades})" } },
        { title = "Secrets not read, limiter away (a minute)", area = true, queries = { secrets = "sum(${local.rates.secret_failures})", limiter = "sum(${local.rates.limiter_failures})" } },
        { title = "5xx a minute as the platform counts them", area = true, queries = { "" = "sum by (service_name) (rate(run_googleapis_com:request_count{${local.platform},response_code_class=\"5xx\"}[5m]) * 60)" } },
      ]
    },
  ]

  columns = 48
  header  = 4
  height  = 14

  # The API leaves zeros out when it answers, and a zero of ours would be a change in every plan.
  headings = [
    for row, section in local.sections : merge(
      { for key, value in { yPos = row * (local.header + local.height) } : key => value if value > 0 },
      { width = local.columns, height = local.header, widget = { title = section.title, sectionHeader = { dividerBelow = true } } },
    )
  ]
  charts = flatten([
    for row, section in local.sections : [
      for column, chart in section.charts : merge(
        { for key, value in { xPos = column * local.columns / length(section.charts) } : key => value if value > 0 },
        {
          yPos   = row * (local.header + local.height) + local.header
          width  = local.columns / length(section.charts)
          height = local.height
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [
                for legend, query in chart.queries : merge(
                  {
                    plotType        = chart.area ? "STACKED_AREA" : "LINE"
                    targetAxis      = "Y1"
                    timeSeriesQuery = { prometheusQuery = query }
                  },
                  { for key, value in { legendTemplate = legend } : key => value if value != "" },
                )
              ]
            }
          }
        },
      )
    ]
  ])
  dashboard = {
    displayName  = var.name
    mosaicLayout = { columns = local.columns, tiles = concat(local.headings, local.charts) }
  }
}
