"""Rich Release Format, in which UMLS and RxNorm are published: its rows, and the records in them."""
