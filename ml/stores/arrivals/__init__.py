"""What a sink really holds, asked past the drains' own account.

MongoDB is asked by id; a Kafka topic is read.
"""
