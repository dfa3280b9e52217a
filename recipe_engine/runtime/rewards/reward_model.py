make = None
