"""What one client learns of a backend: `chat`, which shows every frame. Set up as a run sets its clients up."""
