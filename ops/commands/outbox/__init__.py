"""Commands about what is owed to MongoDB and Kafka."""
