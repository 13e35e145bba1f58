"""May this request pass: facts to Cedar to decision, and the AuthZEN edge."""
