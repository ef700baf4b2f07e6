"""History of users as exact numbers: a recurrent state alone would have to learn to count."""
