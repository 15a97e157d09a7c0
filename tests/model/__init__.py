"""A model of the three workers' world: what may happen there in any order, and what must hold."""
