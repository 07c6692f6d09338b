"""Makes the expression model: data, networks, training, evaluation, export."""
