"""The language of conditions, references and texts in workflows. It knows nothing of steps, runs or stores."""
