"""Model: Faster R-CNN assembled from torchvision's parts on any pretrained backbone. Needs torch."""
