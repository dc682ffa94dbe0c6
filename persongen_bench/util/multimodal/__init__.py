"""What every multimodal model with discrete visual tokens shares, whatever its pictures are."""
