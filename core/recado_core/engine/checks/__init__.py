"""The gateway's own checks, and the asking of all: may a message go to its recipient now?"""
