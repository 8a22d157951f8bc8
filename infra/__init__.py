"""What surrounds the service: the package and its template, the local run, the proof that both deploy."""
