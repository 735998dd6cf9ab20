"""What a gateway adds: who may call, how often, which way a request goes. Decisions over small injected stores."""
