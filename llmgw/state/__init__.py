"""The only door to Redis: connecting, scripts, the embedded server, the breaker."""
