"""The command line: parsing and printing. What it does lies in the modules below it; nothing imports it."""
