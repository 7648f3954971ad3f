"""The local platform: MiniStack, Node and the CDK below `.local/`, and the real deploy against them."""
