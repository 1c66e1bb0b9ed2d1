"""What a server accepts. The comments in `protos/` state the same figures; lengths are in characters (code points)."""

from __future__ import annotations

MAX_MENTIONS = 1024
MAX_MENTION_LENGTH = 1024
MAX_MENTION_ID_LENGTH = 64
MAX_CONTEXT_LENGTH = 8192
MAX_DOCUMENTS = 256
MAX_DOCUMENT_LENGTH = 1_000_000  # four bytes each at most, so that one fits into a message whatever it is written in
MAX_DOCUMENT_ID_LENGTH = 128
MAX_SPANS = 10_000
MAX_PIECES = 64
MAX_FOUND = 20_000  # mentions in the documents of a call; those of more never fit into a message
DEFAULT_TOP_K = 5
MAX_TOP_K = 100
MAX_FILTER_VALUES = 64
MAX_FILTER_VALUE_LENGTH = 128
MAX_DIGEST_LENGTH = 64
MAX_BUNDLE_LENGTH = 64
MAX_CONCEPT_ID_LENGTH = 128
MAX_CONCEPT_IDS = 1000
MAX_QUERY_LENGTH = 1024
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_FUZZY = 1000  # concepts on all pages of a fuzzy search
DEFAULT_RELATIVES_PAGE_SIZE = 100
MAX_RELATIVES_PAGE_SIZE = 1000
MAX_VALUE_SET = 10_000
MAX_CODINGS = 1000
MAX_CONCEPTS_OF_CODE = 100
MAX_PAGE_TOKEN_LENGTH = 16_384  # bundles hold names of any length, and a token holds one
MAX_VIOLATIONS = 50  # more than about 150 no longer fit into the trailers of a response
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
