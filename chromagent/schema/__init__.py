"""What clients send and get: OpenAI's Chat Completions and Models, and the reading of their parts with exact complaints."""
