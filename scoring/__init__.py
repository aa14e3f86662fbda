"""The grading method: points, fits, caps, certainty, and why; reads marts, writes the scoring schema."""
