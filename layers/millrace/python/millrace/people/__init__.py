"""What a person may ask for, and what stands in its way: erasure, export, restriction, correction, holds, and until when."""
