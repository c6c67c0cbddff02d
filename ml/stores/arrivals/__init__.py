"""Which transactions a sink really holds, independent of the drains' acknowledgements.

MongoDB is queried by id; a Kafka topic is read.
"""
