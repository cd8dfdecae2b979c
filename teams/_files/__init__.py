"""Teams, patterns and choreographies in files."""
