"""What a person sees: progress lines, summaries, notebooks."""
