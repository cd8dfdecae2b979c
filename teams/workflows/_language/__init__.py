"""The language of conditions, references and strings in workflows. It knows nothing of steps, runs or stores."""
