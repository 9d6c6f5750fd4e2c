"""One process that counts tokens for all workers of a gateway, so that vocabularies are in memory once.

It is started when a worker first asks, and ends when nobody has asked for a while. A vocabulary takes 45 MiB, half
as much as a whole worker.
"""
