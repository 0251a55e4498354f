"""What a run keeps, generators wherever they are kept, and published weights."""
