"""Gold mentions that nobody annotated: out of plain text, or out of annotated notes in another language."""
