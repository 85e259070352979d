"""What the commands besides `build` do, without a word about command lines or terminals."""
