"""The Twilio-shaped plugin that the tutorial explains: what it registers."""
