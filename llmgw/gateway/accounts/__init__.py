"""What each call may spend and did spend: claims, and those who settle them."""
