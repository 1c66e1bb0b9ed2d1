"""`linker get`: open releases from their official addresses, and where to get those that need a licence.

`catalogue.toml` says what there is, `download.py` fetches one file, `unpacking.py` takes what is needed out of a zip.
"""
