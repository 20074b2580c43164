"""What has to run again, and why."""
