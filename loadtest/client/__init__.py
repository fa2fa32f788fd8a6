"""One virtual chat client: what a browser's WebSocket client does, with its timings kept. Knows nothing of locust."""
