"""Where a network is confidently wrong: views in partitions, and which of them to ask a person about."""
