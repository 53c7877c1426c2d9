"""The gateway's own checks: may a message go to its recipient now?"""
