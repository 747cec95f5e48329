"""How large an installation must be: what each step costs, and a model that adds it up."""
