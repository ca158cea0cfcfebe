"""`make demo`: real faults on a real stack, and what analyzerd says about them."""
