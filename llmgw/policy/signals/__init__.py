"""What is worth telling about money: written down once, listed, streamed, and sent to webhooks."""
