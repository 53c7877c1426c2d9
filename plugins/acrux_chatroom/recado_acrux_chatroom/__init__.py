"""The AcruxLab ChatRoom plugin: what it registers."""
