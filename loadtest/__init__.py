"""Load testing for real-time AI chat over WebSocket: numbers that are true and can prove it."""

__version__ = "0.1.0"
