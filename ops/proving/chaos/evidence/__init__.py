"""What is observed from outside: records in MongoDB and Kafka, and the processes' memory, files and connections.

Reads only, and nothing that the platform reports of itself.
"""
