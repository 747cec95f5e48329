"""What is kept outside the database, because a database that went back in time cannot tell: the witness, and the
registration journal.
"""
