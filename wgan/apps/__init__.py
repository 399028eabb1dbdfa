"""What the scripts other than train.py call."""
