"""The stand-in for the model: HTTP of the Anthropic Messages and the OpenAI chat completions API, with known truth.

Mock servers for these APIs exist in plenty (mockllm, llmock, fakellm, aimock); they answer functional tests from
fixtures. None keeps the moments of each request and token on the monotonic clock, without which a load test cannot take
the model's time out of the backend's.
"""
