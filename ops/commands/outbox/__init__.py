"""Commands about the outbox: entries on their way to MongoDB and Kafka."""
