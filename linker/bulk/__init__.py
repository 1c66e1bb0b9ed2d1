"""Bulk: many notes in, coded notes out, in a job that can be stopped and resumed.

source -> chunks of notes -> annotator (RecordBatch -> RecordBatch, in any engine) -> sink
"""
