"""Where units look: location instability and occlusion."""
