"""What coordinates of a representation stand for: factors, association, intervention, equivariance, and their nulls."""
