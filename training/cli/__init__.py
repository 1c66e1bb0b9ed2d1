"""Commands that training adds to `linker`."""
