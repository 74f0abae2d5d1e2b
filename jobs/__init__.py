"""What a person submits: configuration, command-line verbs, summaries."""
